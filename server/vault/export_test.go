package vault

// ArgonRuns returns how often Argon2id ran.
func (v *Vault) ArgonRuns() int64 { return v.argon.runs.Load() }
