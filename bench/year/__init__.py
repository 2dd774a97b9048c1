"""A year of an appliance's life in minutes; `python -m bench.year`, or `make year`."""
