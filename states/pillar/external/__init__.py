"""External pillar: data that comes from elsewhere than pillar files, one module for each source."""
