"""Run the command line as ``python -m ngcfem``."""

from ngcfem.cli.main import main

if __name__ == "__main__":
    main()
