"""The page that shows what was run and what came out."""
