"""`python -m twind`: the same as `twind`."""

from twind.cli.main import main

if __name__ == "__main__":
    main(prog_name="twind")
