package agent

import (
	"encoding/json"
	"os"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// credentials are what the agent signs with now. A file is read anew each time: whoever started the agent replaces it before they expire, as EC2's
// metadata service does. What cannot be read signs nothing that is accepted, and the call is made again as all that are refused.
func (c *Config) credentials() sigv4.Credentials {
	if c.Credentials.AccessKeyID != "" || c.CredentialsFile == "" {
		return c.Credentials
	}
	var own struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
	}
	data, err := os.ReadFile(c.CredentialsFile)
	if err != nil || json.Unmarshal(data, &own) != nil {
		return sigv4.Credentials{}
	}
	return sigv4.Credentials{AccessKeyID: own.AccessKeyID, SecretAccessKey: own.SecretAccessKey, SessionToken: own.SessionToken}
}
