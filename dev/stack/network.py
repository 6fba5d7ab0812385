"""Clearing away what an engine leaves in the machine's network: a bridge and firewall rules."""

from __future__ import annotations

import ipaddress
import shlex
import subprocess

from dev.stack.packages import find

TABLES = ("filter", "nat")


def remove(name: str, subnet: str) -> None:
    """Delete the bridge of that name, and the rules that speak of its name or its addresses."""
    if ip := find("ip"):
        _try([ip, "link", "delete", bridge(name)])
    iptables, restore = find("iptables"), find("iptables-restore")
    if not (iptables and restore):
        return
    for table in TABLES:
        listing = _try([iptables, "--wait", "--table", table, "--list-rules"])
        if undoing := deletions(listing, name, subnet):
            _try([restore, "--wait", "--noflush"], "\n".join([f"*{table}", *undoing, "COMMIT", ""]))


def bridge(name: str) -> str:
    """Return the name the engine gives to its network's bridge."""
    return f"{name}0"


def deletions(listing: str, name: str, subnet: str) -> list[str]:
    """Return the lines that undo our rules in a listing, and the chains that were made for them alone."""
    rules = [line for line in listing.splitlines() if line.startswith("-A ")]
    ours = [rule for rule in rules if _is_ours(shlex.split(rule), name, subnet)]
    emptied = {rule.split()[1] for rule in ours} - {rule.split()[1] for rule in rules if rule not in ours}
    chains = sorted(chain for chain in emptied if chain.startswith("CNI-") and chain != "CNI-FORWARD")
    return [rule.replace("-A", "-D", 1) for rule in ours] + [f"-X {chain}" for chain in chains]


def _is_ours(words: list[str], name: str, subnet: str) -> bool:
    mark = f'name: "{name}" '
    return any(word.startswith(mark) or _within(word, subnet) for word in words)


def _within(word: str, subnet: str) -> bool:
    try:
        return ipaddress.IPv4Network(word).subnet_of(ipaddress.IPv4Network(subnet))
    except ValueError:
        return False


def _try(command: list[str], text: str = "") -> str:
    """Run a command whose failure only means that there was nothing to clear."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout
