"""What a build will do, decided before it begins: from a spec and a profile of its source to strata and their targets.

`planning` makes the plan; `balance` and `boxes` are its arithmetic. `model_view` says which columns a model sees,
`registry` finds generators and validators, `dependencies` and `machine` are what else decides rows. `privacy` and
`policy` hold a spec against what it promises and against a policy, `propose` writes a spec, and `estimate` says how
long a build will take.
"""
