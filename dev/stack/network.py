"""Clearing away what an engine leaves in the machine's network: a bridge and firewall rules."""

from __future__ import annotations

import ipaddress
import shlex
import subprocess

from dev.stack.packages import find

TABLES = ("filter", "nat")


def remove(name: str, subnet: str) -> None:
    """Delete the bridge of that name, and the rules that speak of its addresses or its name."""
    if ip := find("ip"):
        _try([ip, "link", "delete", f"{name}0"])
    if iptables := find("iptables"):
        for table in TABLES:
            listing = _try([iptables, "--wait", "--table", table, "--list-rules"])
            for command in deletions(listing, name, subnet):
                _try([iptables, "--wait", "--table", table, *command])


def deletions(listing: str, name: str, subnet: str) -> list[list[str]]:
    """Return the iptables commands that undo our rules in a listing, chains last."""
    rules = [shlex.split(line) for line in listing.splitlines() if line.startswith("-A")]
    ours = [rule for rule in rules if _is_ours(rule, name, subnet)]
    chains = {target for rule in ours for target in rule if target.startswith("CNI-") and len(target) > 20}
    inside = [rule for rule in rules if rule[1] in chains and rule not in ours]
    return [["-D", *rule[1:]] for rule in [*ours, *inside]] + [["-X", chain] for chain in sorted(chains)]


def _is_ours(rule: list[str], name: str, subnet: str) -> bool:
    return any(f'name: "{name}"' in word or _within(word, subnet) for word in rule)


def _within(word: str, subnet: str) -> bool:
    try:
        return ipaddress.ip_network(word, strict=False).subnet_of(ipaddress.ip_network(subnet))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False


def _try(command: list[str]) -> str:
    """Run a command whose failure only means that there was nothing to clear."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout
