"""The genres, four in each module: electronic, band, acoustic."""
