"""Ray: remote steps, actors that hold a model, and the pool that chunks are asked of. Nothing else imports it.

`actors` runs functions and fits, `pool` makes chunks, `kinds` keeps a build to one kind of machine, `reach` finds out
whether a cluster answers.
"""
