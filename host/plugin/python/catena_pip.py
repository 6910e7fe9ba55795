"""What of pip there is without a network: it tells what is installed."""

import sys
from importlib import metadata

REFUSAL = (
    "ERROR: packages can't be installed here: there is no network. "
    "Whoever runs this sandbox can add some.\n"
)


def installed():
    """Names and versions of all distributions, by name."""
    found = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        found.setdefault(name.lower(), (name, distribution.version))
    return [found[key] for key in sorted(found)]


def show(names):
    status = 0
    for name in names:
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            sys.stderr.write(f"WARNING: Package(s) not found: {name}\n")
            status = 1
            continue
        for field in ("Name", "Version", "Summary", "Home-page", "Author", "License"):
            print(f"{field}: {about.get(field, '')}")
    return status


def main(arguments):
    words = [word for word in arguments if not word.startswith("-")]
    command = words[0] if words else ("--version" if "--version" in arguments else "")
    if command == "list":
        rows = installed()
        width = max([len("Package"), *(len(name) for name, _ in rows)])
        last = max([len("Version"), *(len(version) for _, version in rows)])
        print(f"{'Package':<{width}} Version")
        print(f"{'-' * width} {'-' * last}")
        for name, version in rows:
            print(f"{name:<{width}} {version}")
        return 0
    if command == "freeze":
        for name, version in installed():
            print(f"{name}=={version}")
        return 0
    if command == "show":
        return show(words[1:])
    if command == "--version":
        print(f"pip 0 (catena) (python {sys.version_info.major}.{sys.version_info.minor})")
        return 0
    if command == "check":
        print("No broken requirements found.")
        return 0
    sys.stderr.write(REFUSAL)
    return 1
