"""`python -m rtsep.cli`."""

from rtsep.cli import main

if __name__ == "__main__":
    main()
