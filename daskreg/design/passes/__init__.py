"""One pass over the rows: shards, their blocks, and whoever runs them."""
