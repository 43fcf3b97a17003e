"""Result stores, a file for each."""
