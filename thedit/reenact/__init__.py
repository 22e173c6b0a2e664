"""One person moves as another one does: source, driver, camera, motion, picture, composition, subject, file.

`thedit.reenact.pipeline` reads in this order, and so do the modules. Nothing is kept but the result; memory does not
grow with the driver's length.
"""
