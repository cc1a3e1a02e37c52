package server

import (
	"encoding/json"
	"net/http"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/blueprint"
)

// blueprint serves GET /_berth/blueprint: the settings of the caller's region, for berth simulate.
func (s *Server) blueprint(w http.ResponseWriter, _ *http.Request, who sigv4.Identity) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(blueprint.Export(&s.store.View().Tables, who.Region, who.Principal.Account)) // the caller may be gone
}
