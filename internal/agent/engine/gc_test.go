package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
)

// aliasing pulls images under another name than that of the task definition, as agents do from the built-in
// registry.
type aliasing struct{ *bench }

func (aliasing) Resolve(_ context.Context, image string, _ *acs.RegistryAuth) (string, *runtime.Auth, error) {
	return "registry/" + image, nil, nil
}

func (aliasing) Name(image string) string { return "registry/" + image }

// here returns which of the names are on the machine.
func (b *bench) here(names ...string) (found []string) {
	b.t.Helper()
	for _, name := range names {
		if _, err := b.rt.Image(b.t.Context(), name); err == nil {
			found = append(found, name)
		} else if !errors.Is(err, runtime.ErrNotFound) {
			b.t.Fatal(err)
		}
	}
	return found
}

func imageBench(t *testing.T, images ...string) *bench {
	b := newBench(t)
	b.cfg.PullBehavior, b.cfg.CleanupWait = PullDefault, 2*time.Hour
	b.cfg.ImageInterval, b.cfg.ImageMinimumAge, b.cfg.ImagesPerCycle = 30*time.Minute, time.Hour, 5
	for _, image := range images {
		b.rt.Publish(image, fake.Exit(0))
	}
	return b
}

// The options beginning with ECS_IMAGE_CLEANUP_INTERVAL: an image that the agent pulled is removed when no
// task needs it. An image that was on the machine before, or that a task uses, stays.
func TestImagesThatNoTaskUsesAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := imageBench(t, "done:2", "own:1")
		b.rt.Publish("serving:1", fake.Serve)
		b.rt.Load("own:1", fake.Exit(0)) // built by the machine's owner, and in a registry as well
		stop := b.run()
		b.apply(taskOf("done", container("c", "done:2")))
		b.apply(taskOf("own", container("c", "own:1")))
		b.apply(taskOf("serving", container("c", "serving:1")))
		all := []string{"done:2", "own:1", "serving:1"}
		b.settle(100 * time.Minute)
		if got := b.here(all...); !slices.Equal(got, all) {
			t.Errorf("while the containers are kept there are %q", got)
		}
		stop() // the agent knows its images after a restart, too
		b.run()
		b.settle(100 * time.Minute)
		if got, want := b.here(all...), []string{"own:1", "serving:1"}; !slices.Equal(got, want) {
			t.Errorf("later there are %q, want %q", got, want)
		}
		b.apply(stopOf("serving"))
		b.settle(4 * time.Hour)
		if got, want := b.here(all...), []string{"own:1"}; !slices.Equal(got, want) {
			t.Errorf("in the end there are %q, want %q", got, want)
		}
		// It can be pulled again.
		b.apply(taskOf("again", container("c", "done:2")))
		b.settle(time.Minute)
		if got := b.here("done:2"); len(got) != 1 {
			t.Error("it was not pulled again")
		}
	})
}

func TestImagesGoAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var images []string
		for i := range 7 {
			images = append(images, fmt.Sprintf("image%d:1", i))
		}
		b := imageBench(t, images...)
		b.cfg.ImagesPerCycle, b.cfg.ImageMinimumAge, b.cfg.CleanupWait = 2, 50*time.Minute, time.Minute
		b.run()
		for i, image := range images {
			b.apply(taskOf(fmt.Sprint(i), container("c", image)))
			b.settle(time.Second)
		}
		var left []int
		for range 6 {
			b.settle(30 * time.Minute)
			left = append(left, len(b.here(images...)))
		}
		if want := []int{7, 5, 3, 1, 0, 0}; !slices.Equal(left, want) {
			t.Errorf("every half hour there are %v, want %v", left, want)
		}
	})
}

// An image of the built-in registry has one name, which begins with the address of the server it was pulled
// from. The image is removed, unless another program has given it another name.
func TestNameOfAnImageGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := imageBench(t, "registry/app:1", "registry/app:2", "mine:1")
		b.cfg.CleanupWait = time.Minute
		b.rt.Load("mine:1", fake.Exit(0))
		b.run()
		b.e.images = aliasing{b}
		b.apply(taskOf("1", container("c", "app:1")))
		b.apply(taskOf("2", container("c", "app:2")))
		b.settle(time.Minute)
		names := []string{"registry/app:1", "app:1", "registry/app:2", "app:2"}
		if got := b.here(names...); strings.Join(got, " ") != "registry/app:1 registry/app:2" {
			t.Fatalf("there are %q", got)
		}
		if err := b.rt.Tag(t.Context(), "mine:1", "registry/app:2"); err != nil {
			t.Fatal(err)
		}
		b.settle(3 * time.Hour)
		if got := b.here(names...); strings.Join(got, " ") != "registry/app:2" {
			t.Errorf("there are %q, want only the image with another name", got)
		}
	})
}

// meddling is a runtime in which another program changes something before each container is created.
type meddling struct {
	*fake.Engine
	before func(image string)
}

func (m meddling) Create(ctx context.Context, s runtime.Spec) (string, error) {
	m.before(s.Image)
	return m.Engine.Create(ctx, s)
}

// After the agent has pulled an image, another server of the machine gives its name to another image, or removes it.
// The task still runs the image that was pulled.
func TestOthersUseTheSameNames(t *testing.T) {
	for name, meddle := range map[string]func(t *testing.T, rt *fake.Engine){
		"a name moves":        func(t *testing.T, rt *fake.Engine) { rt.Tag(t.Context(), "other:1", "app:1") },
		"an image is removed": func(t *testing.T, rt *fake.Engine) { rt.RemoveImage(t.Context(), "app:1") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := imageBench(t)
				b.rt.Publish("app:1", fake.Serve)
				b.rt.Load("app:1", fake.Serve)
				b.rt.Load("other:1", fake.Exit(3))
				pulled, _ := b.rt.Image(t.Context(), "app:1")
				n := 0
				b.around = func(rt *fake.Engine) runtime.Runtime {
					return meddling{rt, func(string) {
						if n++; n == 1 {
							meddle(t, rt)
						}
					}}
				}
				b.run()
				b.apply(taskOf("1", container("c", "app:1")))
				b.settle(time.Minute)
				r := b.record("1")
				if r.Status != StatusRunning || r.Containers[0].ImageID != pulled.ID {
					t.Errorf("the task is %s of image %s (%s), want RUNNING of %s", r.Status,
						r.Containers[0].ImageID, r.Containers[0].Reason, pulled.ID)
				}
			})
		})
	}
}

// endless pulls the image huge:1 until its context ends.
type endless struct{ *fake.Engine }

func (e endless) Pull(ctx context.Context, ref string, auth *runtime.Auth) (string, error) {
	if ref == "huge:1" {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return e.Engine.Pull(ctx, ref, auth)
}

// A long pull does not delay other pulls. Images that are not needed are removed after it.
func TestLongPullDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := imageBench(t, "done:2", "done:3")
		b.around = func(rt *fake.Engine) runtime.Runtime { return endless{rt} }
		b.cfg.CleanupWait, b.cfg.ImageMinimumAge = time.Minute, 20*time.Minute
		b.run()
		b.apply(taskOf("old", container("c", "done:2")))
		b.settle(25 * time.Minute)
		b.apply(taskOf("huge", container("c", "huge:1"))) // takes an hour
		b.settle(10 * time.Minute)                        // the agent looks for images to remove meanwhile
		b.apply(taskOf("new", container("c", "done:3")))
		b.settle(time.Minute)
		if got := b.here("done:2", "done:3"); len(got) != 2 {
			t.Errorf("during the long pull there are %q", got)
		}
		b.settle(2 * time.Hour)
		if got := b.here("done:2"); len(got) != 0 {
			t.Errorf("long after it there are %q", got)
		}
	})
}

func TestImagesStay(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"cleaning is off":          func(c *Config) { c.ImageInterval = 0 },
		"cached images are wanted": func(c *Config) { c.PullBehavior = PullPreferCached },
		"they are too young":       func(c *Config) { c.ImageMinimumAge = 1000 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := imageBench(t, "done:2")
				change(&b.cfg)
				b.run()
				b.apply(taskOf("1", container("c", "done:2")))
				b.settle(10 * time.Hour)
				if got := b.here("done:2"); len(got) != 1 {
					t.Error("the image is gone")
				}
			})
		})
	}
}
