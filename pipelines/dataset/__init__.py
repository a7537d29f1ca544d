"""The published dataset: its layout, shards, manifest and versions. The only room that opens shards.

`layout` decides each row's place, `write` writes shards, `publish` switches the manifest, `ledger` and `claim` say
what is ours, `prune` removes what nobody needs, `carry` keeps rows of the version before, `verify` counts and hashes
again.
"""
