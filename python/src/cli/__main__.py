"""`python -m src.cli`, which is what `archon` runs."""

from .main import main

if __name__ == "__main__":
    main()
