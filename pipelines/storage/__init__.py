"""Files, wherever they lie: folders on disks and object stores, their seals, the lock, and where a build keeps what.

`folder` is what all others ask; it is made of the few operations of `filesystem`. `sealed` notices damage, and `mend`
has it made again; `lock` lets one build write at a time, `workspace` names the places by what decides rows
(`libraries` among that), `encryption` reads the key.
"""
