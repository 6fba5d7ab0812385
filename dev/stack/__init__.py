"""A Dagger engine, an image registry and the images in it, for machines that have none of them."""
