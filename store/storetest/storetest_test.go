package storetest_test

import (
	"testing"

	"postern/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Engine { return storetest.NewStore(t) })
}
