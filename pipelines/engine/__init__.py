"""Ray: remote steps, actors that hold a model, and the pool of actors that makes chunks. Nothing else imports Ray.

`actors` runs functions as tasks, and fits the generator. `pool` makes chunks. `machines` keeps a build to one kind of
machine. `cluster` checks that a cluster answers.
"""
