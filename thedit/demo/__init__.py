"""A page to try it: `thedit demo`. `studio` knows methods and files, `page` what stands where."""
