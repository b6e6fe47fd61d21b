"""Lets tests of the semantic tokenizer import `semantic_sizes`."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
