"""What a manager is given: the wagon, the bundle around it, and the linter's judgement of what is in it."""
