package acs

// BerthAgent is the agentHash by which our own agents say that they know HostsMessage.
const BerthAgent = "berth"

// Hosts gives an agent of ours the names that its containers are to resolve, all of them. Amazon's protocol has no such message, and
// no other agent is sent one.
type Hosts struct {
	MessageID string      `json:"messageId"`
	Hosts     []HostEntry `json:"hosts"`
}

// MessageType implements Message.
func (*Hosts) MessageType() string { return "BerthHostsMessage" }

// HostEntry is a name and where it leads from containers; an empty address is none.
type HostEntry struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	// HostMode is the address for containers in the machine's own network.
	HostMode string `json:"hostMode,omitempty"`
}

// For returns the line "name:address" for containers of a network mode, or "".
func (h HostEntry) For(networkMode string) string {
	address := h.Address
	if networkMode == "host" {
		address = h.HostMode
	}
	if address == "" || networkMode == "none" {
		return ""
	}
	return h.Name + ":" + address
}

// HostLines are the lines "name:address" for containers of a network mode.
func HostLines(all []HostEntry, networkMode string) (lines []string) {
	for _, h := range all {
		if line := h.For(networkMode); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
