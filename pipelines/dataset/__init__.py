"""The published dataset: its layout, shards, manifest and versions. The only room that opens shards.

`layout` decides the shard and the order of every row, and `write` writes the shards. `publish` switches the manifest.
`ledger`, `ownership` and `companions` say which files are ours. `prune` removes what no build needs, and `top_up`
keeps rows of the version before. `verify` counts and hashes a published dataset again, and `compare` compares two.
"""
