"""Values, errors, ids and time: the words everything else speaks. Imports nothing of ours."""
