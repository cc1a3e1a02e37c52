package local

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Pauses after failed renewals; they double from the first to the longest.
const (
	renewAgain     = time.Second
	renewAgainMost = time.Minute
)

// renew writes new credentials to the file that the agent reads, and returns when to do so again; zero is
// never.
func (k *keeper) renew(ctx context.Context) (time.Time, error) {
	key, err := k.d.cfg.Credentials.InstanceKey(ctx, k.in)
	if err != nil {
		return time.Time{}, fmt.Errorf("credentials of the instance role: %w", err)
	}
	doc := map[string]any{"Version": 1, "AccessKeyId": key.ID, "SecretAccessKey": key.Secret, "SessionToken": key.Token}
	if !key.Expires.IsZero() {
		doc["Expiration"] = key.Expires.UTC().Format(time.RFC3339)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return time.Time{}, err
	}
	if err := writeFile(credentialsFile(k.dir), append(data, '\n')); err != nil || key.Expires.IsZero() {
		return time.Time{}, err
	}
	now := time.Now()
	return now.Add(key.Expires.Sub(now) / 2), nil
}

// keepRenewing renews the credentials of an agent. It starts at once, since an agent that was found running may
// have old ones.
func (k *keeper) keepRenewing(ctx context.Context) {
	pause := renewAgain
	for {
		due, err := k.renew(ctx)
		wait := time.Until(due)
		switch {
		case err == nil && due.IsZero():
			return
		case err == nil:
			pause = renewAgain
		case ctx.Err() != nil:
			return
		default:
			k.d.cfg.Logger.Warn("credentials of an instance could not be renewed", "instance", k.in.ID,
				"err", err, "retry_in", pause)
			wait, pause = pause, min(2*pause, renewAgainMost)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}
