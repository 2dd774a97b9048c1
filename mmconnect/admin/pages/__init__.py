"""The pages, one area a file or a few; each has its ROUTES, which admin/routes.py collects."""
