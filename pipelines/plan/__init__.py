"""What a build will do, decided before it begins: from a spec and a profile of its source to strata and their targets.

`planning` makes the plan; `balance` and `boxes` are its arithmetic, `features` says what a model sees, `registry` finds
generators and validators, `outside` and `machine` are what else decides rows; `privacy` and `guard` hold a spec against
what it promises and against a policy, `propose` writes one, `estimate` says how long it will take.
"""
