"""The command line: every command of `flows.commands`, and where it starts."""

from flows.commands import building, looking, serving
from flows.commands.console import app

__all__ = ["app", "building", "looking", "main", "serving"]


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
