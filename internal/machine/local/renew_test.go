package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/fleet"
)

// mint makes keys that are valid for six hours. While it is broken it makes none.
type mint struct {
	sync.Mutex
	made   int
	tried  []time.Duration // since began
	began  time.Time
	broken bool
}

func (m *mint) InstanceKey(context.Context, *fleet.Instance) (AccessKey, error) {
	m.Lock()
	defer m.Unlock()
	m.tried = append(m.tried, time.Since(m.began))
	if m.broken {
		return AccessKey{}, errors.New("out of order")
	}
	m.made++
	return AccessKey{
		ID: fmt.Sprint("ASIA", m.made), Secret: "s", Token: "t", Expires: time.Now().Add(6 * time.Hour),
	}, nil
}

// An agent always has credentials that are valid for hours: they are renewed at half of their time, and a renewal that
// fails is tried again soon.
func TestCredentialsAreRenewedAheadOfTheirEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{began: time.Now()}
		cfg := testConfig(dir, "agent", "")
		cfg.Credentials = m
		k := &keeper{d: New(cfg), in: testInstance(testID, ""), dir: dir}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.keepRenewing(ctx) }()
		for range 20 {
			time.Sleep(time.Hour + time.Minute)
			synctest.Wait()
			var got struct {
				AccessKeyId string
				Expiration  time.Time
			}
			data, err := os.ReadFile(credentialsFile(dir))
			m.Lock()
			want := fmt.Sprint("ASIA", m.made)
			m.Unlock()
			if err != nil || json.Unmarshal(data, &got) != nil || got.AccessKeyId != want {
				t.Fatalf("credentials %s (%v)", data, err)
			}
			if left := time.Until(got.Expiration); left < 3*time.Hour-time.Minute {
				t.Errorf("they are good for %v only", left)
			}
		}
		m.Lock()
		m.broken, m.tried, m.began = true, nil, time.Now()
		m.Unlock()
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		m.Lock()
		first := m.tried[0]
		for i, want := range []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second} {
			if got := m.tried[i] - first; got != want {
				t.Errorf("attempt %d came after %v, want %v", i, got, want)
			}
		}
		if last := len(m.tried) - 1; m.tried[last]-m.tried[last-1] != renewAgainMost {
			t.Errorf("the last pause was %v", m.tried[last]-m.tried[last-1])
		}
		m.broken = false
		m.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		m.Lock()
		if m.tried[len(m.tried)-1] < 4*time.Hour {
			t.Error("it was not tried again")
		}
		m.Unlock()
		cancel()
		<-done
	})
}
