package agent

import (
	"encoding/json"
	"os"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// credentials returns the agent's present credentials. The file is read each time, because the program that started the
// agent replaces it before they expire, as EC2's metadata service does. If it cannot be read, the call is
// refused and repeated like any refused call.
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
	return sigv4.Credentials{
		AccessKeyID: own.AccessKeyID, SecretAccessKey: own.SecretAccessKey, SessionToken: own.SessionToken,
	}
}
