package acs

// BerthAgent is what Berth's own agents send as agentHash, in place of the commit that an agent was built
// from. They know HostsMessage.
const BerthAgent = "berth"

// Hosts has all names that containers should resolve. Amazon's protocol has no such message, so it is sent to
// Berth's own agents only.
type Hosts struct {
	MessageID string      `json:"messageId"`
	Hosts     []HostEntry `json:"hosts"`
}

// MessageType implements Message.
func (*Hosts) MessageType() string { return "BerthHostsMessage" }

// HostEntry is a name and its address for containers; an empty address means that they cannot resolve it.
type HostEntry struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	// HostMode is the address for containers in the host's network.
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
