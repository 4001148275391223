"""When an experiment goes on, is taken back or wins, and the journal that says why."""
