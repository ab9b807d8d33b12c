"""The one door: `python run.py <command>`. What a command does lives in `engine/cli`; here is only the way in."""
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OWN_PYTHON = ROOT / ".venv" / "bin" / "python"


def enter_own_environment():
    """Whatever Python a person typed, go on in `.venv` when `make setup` has made one."""
    if sys.prefix == sys.base_prefix and OWN_PYTHON.exists():
        os.execv(str(OWN_PYTHON), [str(OWN_PYTHON), str(ROOT / "run.py"), *sys.argv[1:]])


def main():
    enter_own_environment()
    sys.path.insert(0, str(ROOT))
    try:
        from engine.cli.door import enter
    except (ImportError, SyntaxError) as error:
        sys.exit(f"Salewright is not set up here ({error}): run `make setup` first. "
                 f"This is Python {sys.version.split()[0]}; 3.11 or newer is needed.")
    return enter(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
