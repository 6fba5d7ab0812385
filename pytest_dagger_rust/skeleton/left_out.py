"""What no build is given unless a setting asks for it: folders of tools, and files that are made to hold secrets."""

from __future__ import annotations

import fnmatch
import re

# Never part of a package, and sometimes enormous. Cargo's target directory and most tools' caches mark themselves with
# a CACHEDIR.TAG (https://bford.info/cachedir/), so they need no name here; `target` may be a module of the user's.
FOLDERS = frozenset({".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv", ".tox", ".nox"})

SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws"})

# Whole names, because `credentials.rs` and `id_map.rs` are modules, and so is a folder called `credentials`.
SECRET_FILES = (
    *(".env", ".env.*", ".envrc", ".netrc", "_netrc", ".git-credentials", ".pgpass", ".pypirc"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"),
    *("credentials", "credentials.toml", "credentials.json"),
)

# Committed to show which variables there are.
EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist")

_FILE = re.compile("|".join(map(fnmatch.translate, SECRET_FILES)))


def is_secret(name: str, *, is_folder: bool) -> bool:
    """Return whether a file or folder of this name is made to hold secrets."""
    if is_folder:
        return name in SECRET_FOLDERS
    return _FILE.match(name) is not None and name not in EXAMPLES
