// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact';

import { Shell } from './shell';
import { followLinks } from './state/route';

followLinks();
render(<Shell />, document.getElementById('app')!);
