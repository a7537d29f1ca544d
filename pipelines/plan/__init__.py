"""Plans a build before it begins: turns a spec and a profile of its source into strata and their targets.

`planning` makes the plan; `balance` and `boxes` are its arithmetic. `model_view` says which columns a model sees,
`registry` finds generators and validators, `dependencies` and `machine` describe what else decides the rows. `privacy`
checks what a spec asks of privacy, and `policy` checks a spec against a policy. `propose` writes a spec, and `estimate`
says how long a build will take.
"""
