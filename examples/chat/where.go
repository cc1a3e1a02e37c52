package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"
)

// where is the place of this server, which clients see.
type where struct {
	Runtime string `json:"runtime"`
	Host    string `json:"host"`
	Port    int    `json:"port"`
	Task    string `json:"task,omitempty"`   // the ECS task's id
	Family  string `json:"family,omitempty"` // of its task definition, with revision
	Zone    string `json:"zone,omitempty"`
}

// locate asks the ECS task metadata endpoint, when the process runs in a task.
func locate(ctx context.Context, env func(string) string, port int) where {
	w := where{Runtime: "go", Port: port}
	w.Host, _ = os.Hostname() // without a name the field is empty
	base := env("ECS_CONTAINER_METADATA_URI_V4")
	if base == "" {
		return w
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/task", nil)
	if err != nil {
		return w
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return w
	}
	defer res.Body.Close()
	var task struct{ TaskARN, Family, Revision, AvailabilityZone string }
	if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(&task) != nil {
		return w
	}
	w.Task = task.TaskARN[strings.LastIndexByte(task.TaskARN, '/')+1:]
	w.Zone = task.AvailabilityZone
	if task.Family != "" {
		w.Family = task.Family + ":" + task.Revision
	}
	return w
}
