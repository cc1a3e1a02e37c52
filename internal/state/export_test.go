package state

// TableNames returns the names of all tables, in the order of their fields.
func (t *Tables) TableNames() []string {
	var names []string
	for t := range t.list() {
		names = append(names, t.title())
	}
	return names
}

// Dump returns everything in s as the parts of a saved snapshot.
func (s *Snapshot) Dump() (out string) {
	for part, err := range s.parts() {
		if err != nil {
			return err.Error()
		}
		out += string(part) + "\n"
	}
	return out
}
