"""What the command line's commands do; `rtsep.cli` only reads their options."""
