package server

import (
	"sync"

	"github.com/berthhq/berth/internal/authority"
)

// authorities are the open certificate authorities by the host name that they are for; "" is that of the
// machine.
type authorities struct {
	mu     sync.Mutex
	opened map[string]*authority.Authority // guarded by mu
}

func (a *authorities) of(name string, open func() (*authority.Authority, error)) (*authority.Authority, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.opened[name]; found != nil {
		return found, nil
	}
	made, err := open()
	if err != nil {
		return nil, err
	}
	if a.opened == nil {
		a.opened = map[string]*authority.Authority{}
	}
	a.opened[name] = made
	return made, nil
}
