"""Files on disks and object stores, their seals, the lock of an output, and the folders of a build.

`folder` reads and writes files by the operations in `filesystem`. `sealed_file` notices damage, and `mend` removes
damaged files so that they are made again. `lock` lets one build write at a time. `workspace` names a build's folders by
a hash of all that decides rows, such as the versions in `libraries`. `encryption` reads the key.
"""
