"""The processes that render pillar, and the line to them."""
