package intake

import (
	"context"

	"postern/store"
)

// Watch calls f with what sessions are about to write.
func (s *Service) Watch(f func(ops []store.Op)) {
	apply := s.apply
	s.apply = func(ctx context.Context, ops ...store.Op) error {
		f(ops)
		return apply(ctx, ops...)
	}
}
