// Nothing: the precompiled headers need a target of their own.
