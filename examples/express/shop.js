'use strict'

// The shop's other half: the same biscuits, the same cart, the same users as the Django demo.

const path = require('node:path')
const express = require('express')

const { checkPassword } = require('./passwords')
const page = require('./page')

const REPOSITORY = path.join(__dirname, '..', '..')
const MOST_OF_ONE = 99
const PRODUCTS = {
  chocolate: { name: 'Chocolate chip', cents: 240 },
  oat: { name: 'Oat and raisin', cents: 210 },
  ginger: { name: 'Ginger snap', cents: 190 },
  lemon: { name: 'Lemon shortbread', cents: 260 },
  matcha: { name: 'Matcha and white chocolate', cents: 290 },
  sesame: { name: 'Black sesame', cents: 220 }
}

// A browser names the page that a form was sent from; one of another site changes nothing here.
function sameOrigin (req, res, next) {
  const { origin, host } = req.headers
  const safe = ['GET', 'HEAD'].includes(req.method)
  if (safe || (origin && URL.canParse(origin) && new URL(origin).host === host)) return next()
  res.status(403).type('text').send('This form was sent from another site.')
}

// Who is signed in: by a login here, or by one in Django, which keeps `_auth_user_id`.
function userId (req) {
  if (!req.session) return null
  return req.user ? req.user.id : req.session._auth_user_id || null
}

module.exports = function shop (config, query) {
  const router = express.Router()
  router.use('/static', express.static(path.join(REPOSITORY, 'sessionstore', 'static')))
  router.use('/static', express.static(path.join(REPOSITORY, 'demo_site', 'static')))
  router.use(sameOrigin)

  async function render (req, res, content, status = 200) {
    const id = userId(req)
    const [user] = id ? await query('SELECT username FROM auth_user WHERE id = ?', [id]) : []
    res.status(status).send(page.layout({ content, user, session: req.session, config }))
  }

  router.get('/', (req, res) => render(req, res, page.shop(PRODUCTS, req.session.cart || {})))

  router.post('/cart/:slug', (req, res) => {
    const { slug } = req.params
    if (!Object.hasOwn(PRODUCTS, slug)) return res.sendStatus(404)
    const cart = { ...req.session.cart }
    const count = Math.min((cart[slug] || 0) + ('less' in req.body ? -1 : 1), MOST_OF_ONE)
    if (count > 0) cart[slug] = count
    else delete cart[slug]
    req.session.cart = cart
    res.redirect(303, '/')
  })

  router.get('/login', (req, res) => render(req, res, page.login()))

  router.post('/login', async (req, res, next) => {
    const { username = '', password = '' } = req.body
    const [user] = await query(
      'SELECT id, password FROM auth_user WHERE username = ? AND is_active', [String(username)])
    if (!await checkPassword(String(password), user && user.password)) {
      return render(req, res, page.login('Please enter a correct user name and password.'), 403)
    }
    // A new id at each login; keepSessionInfo carries the cart of the anonymous visitor over.
    req.login({ id: user.id }, { keepSessionInfo: true }, error => {
      if (error) return next(error)
      forgetDjangosUser(req.session)
      res.redirect(303, '/')
    })
  })

  router.post('/logout', (req, res, next) => {
    req.session.destroy(error => {
      if (error) return next(error)
      res.clearCookie(config.sessionOptions.name || 'connect.sid').redirect(303, '/')
    })
  })

  return router
}

// Whoever signs in here replaces a user who was signed in by Django.
function forgetDjangosUser (session) {
  for (const key of ['_auth_user_id', '_auth_user_backend', '_auth_user_hash']) delete session[key]
}
