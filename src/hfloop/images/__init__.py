"""Sets of images, wherever they are kept: folders, arrays, IDX files, datasets, or a generator that makes them."""
