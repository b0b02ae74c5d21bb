"""One adapter for each library: it maps the objective of a case to the library's own words."""
